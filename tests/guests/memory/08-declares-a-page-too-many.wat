;; attacks = [8]
;; does = "declares one page more than its limit"
;; refused = "ran out of memory"
;; -- memory
17
