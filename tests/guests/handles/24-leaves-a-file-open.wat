;; attacks = [24]
;; does = "a sink that writes half a file on every batch and never commits it"
;; role = "sink"
;; asks = ["artifacts"]
;; goes-on = "what is not committed does not appear, and is gone when the guest is"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[method]writer.write"
  (func $write (param i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
;; -- on-batch
(call $create (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(call $write (i32.load (i32.const 2052)) (i32.const 4096) (i32.const 4) (i32.const 2064))
(if (i32.load8_u (i32.const 2064)) (then (unreachable)))
