;; attacks = [7]
;; does = "declares tables that are too large together"
;; refused = "ran out of memory"
;; -- items
(table 60 funcref)
(table 60 funcref)
