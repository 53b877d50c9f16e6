;; attacks = [46]
;; does = "reads both clocks again and again in one call, to measure how long the host takes"
;; role = "transform"
;; asks = ["clock"]
;; limits = { cpu-ms = 10000 }
;; goes-on = "a clock that stands shows nothing: whoever owns the time decides how fine it is"
;; -- imports
(import "bulkhead:plugin/clock@0.1.0" "wall-ms" (func $wall (result i64)))
(import "bulkhead:plugin/clock@0.1.0" "monotonic-ms" (func $monotonic (result i64)))
;; -- items
(global $left (mut i32) (i32.const 0))
;; -- on-batch
(global.set $left (i32.const 200))
(loop $l
  (if (i64.ne (call $wall) (i64.const 0)) (then (unreachable)))
  (if (i64.ne (call $monotonic) (i64.const 0)) (then (unreachable)))
  (global.set $left (i32.sub (global.get $left) (i32.const 1)))
  (br_if $l (global.get $left)))
