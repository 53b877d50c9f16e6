;; attacks = [11]
;; does = "has a hundred thousand functions, for which there is little time"
;; bomb = { functions = 100000 }
;; limits = { compile-ms = 500, compile-memory-mib = 2048 }
;; refused = "limits.compile"
