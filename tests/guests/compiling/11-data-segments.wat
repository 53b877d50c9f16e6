;; attacks = [11]
;; does = "has 32,768 segments of data, which cost next to nothing, and is no plugin for the rest"
;; bomb = { segments = 32768 }
;; limits = { compile-ms = 60000, compile-memory-mib = 1024 }
;; refused = "bulkhead:plugin/lifecycle"
