;; attacks = [42, 38]
;; does = "a sink that names an artifact, and a store, after a whole body"
;; role = "sink"
;; asks = ["bodies", "artifacts"]
;; goes-on = "no such store, no such name: the guest is told so, and the name is not repeated"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(call $create (i32.load (i32.const 2048)) (i32.load (i32.const 2052)) (i32.const 4096) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2064))
(if (i32.ne (i32.load8_u (i32.const 2064)) (i32.const 1)) (then (unreachable)))
(call $create (i32.const 4096) (i32.const 4) (i32.load (i32.const 2048)) (i32.load (i32.const 2052))
  (i32.const 0) (i32.const 0) (i32.const 2064))
(if (i32.ne (i32.load8_u (i32.const 2064)) (i32.const 1)) (then (unreachable)))
