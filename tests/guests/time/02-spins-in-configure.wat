;; attacks = [2]
;; does = "loops for ever when it is given its settings"
;; refused = "ran out of time"
;; -- on-configure
(loop $l (br $l))
