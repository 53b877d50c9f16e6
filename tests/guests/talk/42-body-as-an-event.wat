;; attacks = [42]
;; does = "says a whole body as the code of an event"
;; asks = ["bodies", "telemetry"]
;; counts = { events-not-shown = 2 }
;; goes-on = "a code that the manifest does not declare is counted and not shown"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
(import "bulkhead:plugin/telemetry@0.1.0" "event"
  (func $event (param i32 i32 i32 i32 i32)))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(call $event (i32.const 3) (i32.load (i32.const 2048)) (i32.load (i32.const 2052)) (i32.const 0) (i32.const 0))
