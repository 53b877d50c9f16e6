;; attacks = [47]
;; does = "is a file with a byte behind its end"
;; file = "trailing-byte"
;; refused = "cut short or broken"
;; -- on-batch
(unreachable)
