;; attacks = [2]
;; does = "loops for ever in the start function of its core module"
;; refused = "limits.cpu"
;; -- items
(func $spins (loop $l (br $l)))
(start $spins)
