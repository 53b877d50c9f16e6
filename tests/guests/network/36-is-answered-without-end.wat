;; attacks = [36]
;; does = "a sink whose destination answers without end"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-bytes-sent = 0, http-requests = 2 }
;; goes-on = "the answer is cut at the size that the destination may send"
;; -- memory
2
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/endless")
;; -- on-batch
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8192) (i32.const 8)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(if (i32.ne (i32.load (i32.const 2068)) (i32.const 1024)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2072)) (i32.const 1)) (then (unreachable)))
