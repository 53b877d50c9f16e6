;; attacks = [31]
;; does = "a sink that sends headers which frame, route or authenticate a request, or break out of their line"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-header = 26, http-requests = 26 }
;; goes-on = "each is refused; the host alone says such things"
;; -- memory
2
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/ok")
(data (i32.const 65536) "Host")
(data (i32.const 65600) "evil")
(data (i32.const 65664) "authorization")
(data (i32.const 65728) "Bearer x")
(data (i32.const 65792) "Transfer-Encoding")
(data (i32.const 65856) "chunked")
(data (i32.const 65920) "content-length")
(data (i32.const 65984) "+5")
(data (i32.const 66048) "Connection")
(data (i32.const 66112) "upgrade")
(data (i32.const 66176) "proxy-authorization")
(data (i32.const 66240) "x")
(data (i32.const 66304) ":authority")
(data (i32.const 66368) "evil")
(data (i32.const 66432) "x-other")
(data (i32.const 66496) "y")
(data (i32.const 66560) "content-type")
(data (i32.const 66624) "a\0d\0aHost: evil")
(data (i32.const 66688) "content-type")
(data (i32.const 66752) "a\00b")
(data (i32.const 66816) "Cookie")
(data (i32.const 66880) "a=b")
(data (i32.const 66944) "Trailer")
(data (i32.const 67008) "TE")
(data (i32.const 67072) "trailers")
(func $try (param $name i32) (param $len i32) (param $value i32) (param $value_len i32)
  (i32.store (i32.const 12288) (local.get $name))
  (i32.store (i32.const 12292) (local.get $len))
  (i32.store (i32.const 12296) (local.get $value))
  (i32.store (i32.const 12300) (local.get $value_len))
  (call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8192) (i32.const 3)
    (i32.const 12288) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
  (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 3)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 65536) (i32.const 4) (i32.const 65600) (i32.const 4))
(call $try (i32.const 65664) (i32.const 13) (i32.const 65728) (i32.const 8))
(call $try (i32.const 65792) (i32.const 17) (i32.const 65856) (i32.const 7))
(call $try (i32.const 65920) (i32.const 14) (i32.const 65984) (i32.const 2))
(call $try (i32.const 66048) (i32.const 10) (i32.const 66112) (i32.const 7))
(call $try (i32.const 66176) (i32.const 19) (i32.const 66240) (i32.const 1))
(call $try (i32.const 66304) (i32.const 10) (i32.const 66368) (i32.const 4))
(call $try (i32.const 66432) (i32.const 7) (i32.const 66496) (i32.const 1))
(call $try (i32.const 66560) (i32.const 12) (i32.const 66624) (i32.const 13))
(call $try (i32.const 66688) (i32.const 12) (i32.const 66752) (i32.const 3))
(call $try (i32.const 66816) (i32.const 6) (i32.const 66880) (i32.const 3))
(call $try (i32.const 66944) (i32.const 7) (i32.const 65856) (i32.const 7))
(call $try (i32.const 67008) (i32.const 2) (i32.const 67072) (i32.const 8))
