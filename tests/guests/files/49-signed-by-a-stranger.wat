;; attacks = [49]
;; does = "is signed, by somebody whom the operator does not trust"
;; file = { signature = "by-a-stranger" }
;; refused = "it is signed by key"
;; -- on-batch
(unreachable)
