;; attacks = [50]
;; does = "counts a metric while it is asked what it is, when it has no capability yet"
;; asks = ["telemetry"]
;; refused = "trapped"
;; -- imports
(import "bulkhead:plugin/telemetry@0.1.0" "count" (func $count (param i32 i32 i64)))
;; -- on-describe
(call $count (i32.const 0) (i32.const 0) (i64.const 1))
