;; attacks = [28, 1]
;; does = "counts for ever over two records, until its call is given up; dies if it is called again"
;; role = "filter"
;; asks = ["telemetry"]
;; limits = { call-ms = 60000, cpu-ms = 60000 }
;; goes-on = "the call ends where it is given up, and the next one gets a fresh guest"
;; -- imports
(import "bulkhead:plugin/telemetry@0.1.0" "count" (func $count (param i32 i32 i64)))
;; -- items
(global $begun (mut i32) (i32.const 0))
(data (i32.const 4096) "seen")
;; -- on-batch
(if (global.get $begun) (then (unreachable)))
(global.set $begun (i32.const 1))
(if (i32.eq (local.get $len) (i32.const 2)) (then
  (loop $l
    (call $count (i32.const 4096) (i32.const 4) (i64.const 1))
    (br $l))))
