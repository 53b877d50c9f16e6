;; attacks = [49]
;; does = "has lost its manifest since it was signed"
;; file = { signature = "section-stripped" }
;; refused = "did not sign these bytes"
;; -- on-batch
(unreachable)
