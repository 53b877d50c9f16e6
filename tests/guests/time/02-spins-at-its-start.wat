;; attacks = [2]
;; does = "loops for ever in the start function of its core module"
;; refused = "ran out of time"
;; -- items
(func $spins (loop $l (br $l)))
(start $spins)
