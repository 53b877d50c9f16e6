;; attacks = [37]
;; does = "a sink that sends what a proxy of the environment would see, credential included"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-bytes-sent = 0, http-requests = 2 }
;; goes-on = "the host goes straight to the destination, whatever its environment says"
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/ok")
;; -- on-batch
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8192) (i32.const 3)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(if (i32.ne (i32.load16_u (i32.const 2052)) (i32.const 200)) (then (unreachable)))
(if (i32.ne (i32.load (i32.const 2068)) (i32.const 2)) (then (unreachable)))
