;; attacks = [45]
;; does = "hashes with a key, and asks for a cohort, that the operator has for another stage"
;; role = "transform"
;; asks = ["keyed-hash", "cohorts"]
;; goes-on = "names are looked up in the stage's own grant: any other is unknown, whether it is there or not"
;; -- imports
(import "bulkhead:plugin/keyed-hash@0.1.0" "hmac"
  (func $hmac (param i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/cohorts@0.1.0" "test" (func $test (param i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "neighbours-key")
(data (i32.const 4112) "neighbours")
(data (i32.const 4128) "research")
;; -- on-batch
(call $hmac (i32.const 4096) (i32.const 14) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(call $test (local.get $of) (i32.const 4112) (i32.const 10) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(call $hmac (i32.const 4128) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
