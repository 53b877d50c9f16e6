;; attacks = [2]
;; does = "loops for ever when it is asked what it is"
;; refused = "limits.cpu"
;; -- on-describe
(loop $l (br $l))
