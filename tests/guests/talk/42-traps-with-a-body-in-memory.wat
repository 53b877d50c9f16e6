;; attacks = [42, 41]
;; does = "dies with a body in its memory, as a panic would"
;; asks = ["bodies"]
;; dies = "plugin-trap"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(unreachable)
