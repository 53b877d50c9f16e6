;; attacks = [12, 36]
;; does = "a sink whose destination sends one byte now and then"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-requests = 2, http-timed-out = 2 }
;; goes-on = "the time of the request ends it, and the guest is told"
;; -- memory
2
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/drip")
;; -- on-batch
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8192) (i32.const 5)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 7)) (then (unreachable)))
