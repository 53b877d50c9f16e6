;; attacks = [30]
;; does = "a sink that asks for paths which would leave the prefix, or the host"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-path = 28, http-requests = 28 }
;; goes-on = "each is refused before anything is looked up or dialled"
;; -- memory
4
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 65536) "//evil/")
(data (i32.const 65544) "http://evil/")
(data (i32.const 65560) "*")
(data (i32.const 65568) "@evil")
(data (i32.const 65576) "/..%2f..")
(data (i32.const 65592) "/%2e%2e/admin")
(data (i32.const 65608) "\5c\5cevil")
(data (i32.const 65616) "/a/../../admin")
(data (i32.const 65632) "/a#b")
(data (i32.const 65640) "/a\0d\0aHost: evil")
(data (i32.const 65656) "/a\00")
(data (i32.const 74672) "/a//b")
(data (i32.const 74680) "/./a")
(func $try (param $path i32) (param $len i32)
  (call $send (i32.const 4096) (i32.const 3) (i32.const 1) (local.get $path) (local.get $len)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
  (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 2)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 65536) (i32.const 7))
(call $try (i32.const 65544) (i32.const 12))
(call $try (i32.const 65560) (i32.const 1))
(call $try (i32.const 65568) (i32.const 5))
(call $try (i32.const 65576) (i32.const 8))
(call $try (i32.const 65592) (i32.const 13))
(call $try (i32.const 65608) (i32.const 6))
(call $try (i32.const 65616) (i32.const 14))
(call $try (i32.const 65632) (i32.const 4))
(call $try (i32.const 65640) (i32.const 14))
(call $try (i32.const 65656) (i32.const 3))
(memory.fill (i32.const 131072) (i32.const 97) (i32.const 70000))
(i32.store8 (i32.const 131072) (i32.const 47))
(call $try (i32.const 131072) (i32.const 70000))
(call $try (i32.const 74672) (i32.const 5))
(call $try (i32.const 74680) (i32.const 4))
