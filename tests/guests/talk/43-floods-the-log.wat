;; attacks = [43]
;; does = "says a declared event a thousand times a batch, with escapes and line ends in its fields"
;; asks = ["telemetry"]
;; limits = { event-burst = 10, cpu-ms = 10000 }
;; counts = { events-not-shown = 1990, fields-not-shown = 10 }
;; goes-on = "what is over the rate is counted and not shown; text is not shown at all"
;; -- imports
(import "bulkhead:plugin/telemetry@0.1.0" "event"
  (func $event (param i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "said")
(data (i32.const 4112) "\1b[2J\0aWARN canary-forged-6c0e stage=\22neighbour\22")
;; -- on-batch
(local.set $len (i32.const 1000))
(i32.store (i32.const 1104) (i32.const 4096))
(i32.store (i32.const 1108) (i32.const 4))
(i32.store8 (i32.const 1112) (i32.const 3))
(i32.store (i32.const 1120) (i32.const 4112))
(i32.store (i32.const 1124) (i32.const 46))
(loop $l
  (call $event (i32.const 3) (i32.const 4096) (i32.const 4) (i32.const 1104) (i32.const 1))
  (local.set $len (i32.sub (local.get $len) (i32.const 1)))
  (br_if $l (local.get $len)))
