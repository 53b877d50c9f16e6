;; attacks = [38]
;; does = "a sink that names artifacts so that they would land elsewhere: parents, roots, drives, NUL, hidden, too long"
;; role = "sink"
;; asks = ["artifacts"]
;; leaves = ["good"]
;; goes-on = "each is a bad name, and nothing is made; a good name is taken"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[static]writer.commit"
  (func $commit (param i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
(data (i32.const 4352) "..")
(data (i32.const 4360) "../x")
(data (i32.const 4368) "/etc/x")
(data (i32.const 4376) "a/../../b")
(data (i32.const 4392) "a/")
(data (i32.const 4400) "C:\5cx")
(data (i32.const 4408) "a\00b")
(data (i32.const 4416) "a//b")
(data (i32.const 4424) ".bulkhead-neighbour/x")
(data (i32.const 4448) "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
(data (i32.const 4712) "%2e%2e/x")
(data (i32.const 4728) "\e2\80\a5/x")
(data (i32.const 4736) "")
(data (i32.const 4744) "good")
(func $try (param $name i32) (param $len i32)
  (call $create (i32.const 4096) (i32.const 4) (local.get $name) (local.get $len)
    (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
  (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 1)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 4352) (i32.const 2))
(call $try (i32.const 4360) (i32.const 4))
(call $try (i32.const 4368) (i32.const 6))
(call $try (i32.const 4376) (i32.const 9))
(call $try (i32.const 4392) (i32.const 2))
(call $try (i32.const 4400) (i32.const 4))
(call $try (i32.const 4408) (i32.const 3))
(call $try (i32.const 4416) (i32.const 4))
(call $try (i32.const 4424) (i32.const 21))
(call $try (i32.const 4448) (i32.const 256))
(call $try (i32.const 4712) (i32.const 8))
(call $try (i32.const 4728) (i32.const 5))
(call $try (i32.const 4736) (i32.const 0))
(call $create (i32.const 4096) (i32.const 4) (i32.const 4744) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(call $commit (i32.load (i32.const 2052)) (i32.const 2064))
(if (i32.load8_u (i32.const 2064)) (then (unreachable)))
