;; attacks = [2]
;; does = "loops for ever when it is given its settings"
;; refused = "limits.cpu"
;; -- on-configure
(loop $l (br $l))
