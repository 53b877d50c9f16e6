;; attacks = [11]
;; does = "has a function with a million locals"
;; bomb = { locals = 1000000 }
;; limits = { compile-ms = 60000, compile-memory-mib = 1024 }
;; refused = "too many locals"
