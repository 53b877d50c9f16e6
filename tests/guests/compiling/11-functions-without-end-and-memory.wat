;; attacks = [11]
;; does = "has a hundred thousand functions, for which there is little memory"
;; bomb = { functions = 100000 }
;; limits = { compile-ms = 120000, compile-memory-mib = 48 }
;; refused = "limits.compile-memory"
