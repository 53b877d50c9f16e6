;; attacks = [11]
;; does = "has one function of a million instructions and more"
;; bomb = { giant = 1500000 }
;; limits = { compile-ms = 500, compile-memory-mib = 1024 }
;; refused = "limits.compile"
