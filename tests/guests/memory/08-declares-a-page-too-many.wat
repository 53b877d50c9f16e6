;; attacks = [8]
;; does = "declares one page more than its limit"
;; refused = "limits.memory"
;; -- memory
17
