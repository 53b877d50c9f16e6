;; attacks = [7]
;; does = "declares tables that are too large together"
;; refused = "limits.table"
;; -- items
(table 60 funcref)
(table 60 funcref)
