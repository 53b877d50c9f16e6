;; attacks = [8]
;; does = "declares 65,536 pages of memory"
;; refused = "limits.memory"
;; -- memory
65536
