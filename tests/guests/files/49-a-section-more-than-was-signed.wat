;; attacks = [49]
;; does = "has a section that was added after it was signed"
;; file = { signature = "section-appended" }
;; refused = "did not sign these bytes"
;; -- on-batch
(unreachable)
