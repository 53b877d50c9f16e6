;; attacks = [49]
;; does = "comes with a signature that has expired"
;; file = { signature = "expired" }
;; refused = "but only until 2026-11-25"
;; -- on-batch
(unreachable)
