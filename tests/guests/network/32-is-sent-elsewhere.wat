;; attacks = [32]
;; does = "a sink whose destination answers with every redirect that there is: to another server, a metadata service, a file"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-bytes-sent = 0, http-requests = 10 }
;; goes-on = "each redirect is an answer like any other: nobody follows it"
;; -- memory
2
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/redirect-301/redirect-302/redirect-303/redirect-307/redirect-308")
(func $try (param $path i32) (param $status i32)
  (call $send (i32.const 4096) (i32.const 3) (i32.const 1) (local.get $path) (i32.const 13)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
  (if (i32.ne (i32.load16_u (i32.const 2052)) (local.get $status)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 8192) (i32.const 301))
(call $try (i32.const 8205) (i32.const 302))
(call $try (i32.const 8218) (i32.const 303))
(call $try (i32.const 8231) (i32.const 307))
(call $try (i32.const 8244) (i32.const 308))
