;; attacks = [11]
;; does = "has a function larger than the format allows"
;; bomb = { giant = 6000000 }
;; limits = { compile-ms = 60000, compile-memory-mib = 1024 }
;; refused = "body size"
