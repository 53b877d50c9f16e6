;; attacks = [42]
;; does = "rejects with a whole body as the code"
;; asks = ["bodies"]
;; dies = "plugin-contract"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.load (i32.const 2048)))
(i32.store (i32.const 1112) (i32.load (i32.const 2052)))
