;; attacks = [2]
;; does = "loops for ever when it is asked what it is"
;; refused = "ran out of time"
;; -- on-describe
(loop $l (br $l))
