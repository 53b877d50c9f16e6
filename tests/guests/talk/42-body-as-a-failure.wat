;; attacks = [42]
;; does = "gives up with a whole body as the code and as the message"
;; asks = ["bodies"]
;; gives-up = "unspeakable"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(i32.store8 (i32.const 1024) (i32.const 1))
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1032) (i32.load (i32.const 2048)))
(i32.store (i32.const 1036) (i32.load (i32.const 2052)))
(i32.store (i32.const 1040) (i32.load (i32.const 2048)))
(i32.store (i32.const 1044) (i32.load (i32.const 2052)))
