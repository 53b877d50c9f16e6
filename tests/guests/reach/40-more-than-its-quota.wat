;; attacks = [40]
;; does = "keeps value after value until its quota of 4 KiB is used up, then dies if there was no end"
;; role = "transform"
;; asks = ["state"]
;; goes-on = "the quota is reached, and the guest is told so"
;; -- imports
(import "bulkhead:plugin/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
;; -- items
(global $key (mut i32) (i32.const 0))
;; -- on-batch
(block $full
  (loop $l
    (i32.store (i32.const 4096) (i32.add (i32.const 0x61616161) (global.get $key)))
    (call $set (i32.const 4096) (i32.const 4) (i32.const 8192) (i32.const 512) (i32.const 2048))
    (br_if $full (i32.load8_u (i32.const 2048)))
    (global.set $key (i32.add (global.get $key) (i32.const 1)))
    (br_if $l (i32.lt_u (global.get $key) (i32.const 20))))
  (unreachable))
