;; attacks = [29]
;; does = "a sink that guesses at destinations: nobody, a store, another case, NUL, look-alikes, an address, a megabyte"
;; role = "sink"
;; asks = ["outbound-http"]
;; limits = { memory-mib = 2, return-bytes = 4194304 }
;; counts = { http-unknown-destination = 18 }
;; goes-on = "each is unknown: only the names of its grant lead anywhere"
;; -- memory
18
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 8192) "/ok")
(data (i32.const 65536) "")
(data (i32.const 65544) "lake")
(data (i32.const 65552) "DWH")
(data (i32.const 65560) "dwh\00")
(data (i32.const 65568) "dwh ")
(data (i32.const 65576) "dw\c4\a5")
(data (i32.const 65584) "http://dwh")
(data (i32.const 65600) "169.254.169.254")
(func $try (param $name i32) (param $len i32)
  (call $send (local.get $name) (local.get $len) (i32.const 1) (i32.const 8192) (i32.const 3)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
  (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 0)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 65536) (i32.const 0))
(call $try (i32.const 65544) (i32.const 4))
(call $try (i32.const 65552) (i32.const 3))
(call $try (i32.const 65560) (i32.const 4))
(call $try (i32.const 65568) (i32.const 4))
(call $try (i32.const 65576) (i32.const 4))
(call $try (i32.const 65584) (i32.const 10))
(call $try (i32.const 65600) (i32.const 15))
(memory.fill (i32.const 131072) (i32.const 120) (i32.const 1000000))
(call $try (i32.const 131072) (i32.const 1000000))
