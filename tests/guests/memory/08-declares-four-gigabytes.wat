;; attacks = [8]
;; does = "declares 65,536 pages of memory"
;; refused = "ran out of memory"
;; -- memory
65536
