;; attacks = [49]
;; does = "comes with the signature of an honest plugin"
;; file = { signature = "of-the-honest-file" }
;; refused = "did not sign these bytes"
;; -- on-batch
(unreachable)
