;; attacks = [45]
;; does = "hashes with a key, and asks for a cohort, that another stage was granted under another name"
;; role = "transform"
;; asks = ["keyed-hash"]
;; goes-on = "names are looked up in the stage's own grant: any other is unknown"
;; -- imports
(import "bulkhead:plugin/keyed-hash@0.1.0" "hmac"
  (func $hmac (param i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "neighbours-key")
;; -- on-batch
(call $hmac (i32.const 4096) (i32.const 14) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
