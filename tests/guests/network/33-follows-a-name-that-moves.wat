;; attacks = [33]
;; does = "a sink whose destination is a name that leads to the right address once, and then to another of this machine"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-address = 2, http-bytes-sent = 0, http-requests = 4 }
;; goes-on = "the second request is refused: each address is judged when it is dialled"
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "moves")
(data (i32.const 8192) "/ok")
;; -- on-batch
(call $send (i32.const 4096) (i32.const 5) (i32.const 1) (i32.const 8192) (i32.const 3)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(if (i32.ne (i32.load16_u (i32.const 2052)) (i32.const 200)) (then (unreachable)))
(if (i32.ne (i32.load (i32.const 2068)) (i32.const 2)) (then (unreachable)))
(call $send (i32.const 4096) (i32.const 5) (i32.const 1) (i32.const 8192) (i32.const 3)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 4)) (then (unreachable)))
