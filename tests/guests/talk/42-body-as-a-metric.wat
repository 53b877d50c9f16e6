;; attacks = [42]
;; does = "counts under a whole body as the metric's name"
;; asks = ["bodies", "telemetry"]
;; counts = { metrics-not-declared = 2 }
;; goes-on = "a name that the manifest does not declare is counted and not shown"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
(import "bulkhead:plugin/telemetry@0.1.0" "count" (func $count (param i32 i32 i64)))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(call $count (i32.load (i32.const 2048)) (i32.load (i32.const 2052)) (i64.const 1))
