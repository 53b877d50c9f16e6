;; attacks = [42]
;; does = "says a whole body as the text and as the name of fields of a declared event"
;; asks = ["bodies", "telemetry"]
;; counts = { fields-not-shown = 4 }
;; goes-on = "text is shown only where the operator granted it, names only where the manifest declares them"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
(import "bulkhead:plugin/telemetry@0.1.0" "event"
  (func $event (param i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "said")
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(i32.store (i32.const 1104) (i32.const 4096))
(i32.store (i32.const 1108) (i32.const 4))
(i32.store8 (i32.const 1112) (i32.const 3))
(i32.store (i32.const 1120) (i32.load (i32.const 2048)))
(i32.store (i32.const 1124) (i32.load (i32.const 2052)))
(i32.store (i32.const 1128) (i32.load (i32.const 2048)))
(i32.store (i32.const 1132) (i32.load (i32.const 2052)))
(call $event (i32.const 3) (i32.const 4096) (i32.const 4) (i32.const 1104) (i32.const 2))
