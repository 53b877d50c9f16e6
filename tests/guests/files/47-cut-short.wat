;; attacks = [47]
;; does = "is a file whose last byte is missing"
;; file = "cut-short"
;; refused = "cut short or broken"
;; -- on-batch
(unreachable)
