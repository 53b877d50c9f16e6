;; attacks = [18]
;; does = "makes 70,000 bytes of a record of some 200"
;; role = "transform"
;; limits = { return-bytes = 1048576 }
;; dies = "plugin-expansion"
;; -- memory
3
;; -- items
(data (i32.const 4352) "{\22resourceType\22:\22Observation\22,\22id\22:\22x\22}")
;; -- on-batch
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 70000))
(i32.store (i32.const 1028) (i32.const 1100))
(i32.store (i32.const 1032) (local.get $len))
(i32.store (i32.const 1100) (i32.const 0))
(i32.store8 (i32.const 1104) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 65536))
(i32.store (i32.const 1112) (i32.const 70000))
(i32.store (i32.const 1116) (i32.const 1))
(i32.store8 (i32.const 1120) (i32.const 1))
(i32.store (i32.const 1124) (i32.const 65536))
(i32.store (i32.const 1128) (i32.const 70000))
;; -- honest
(i32.store (i32.const 1028) (i32.const 1100))
(i32.store (i32.const 1032) (local.get $len))
(i32.store (i32.const 1100) (i32.const 0))
(i32.store8 (i32.const 1104) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4352))
(i32.store (i32.const 1112) (i32.const 39))
(i32.store (i32.const 1116) (i32.const 1))
(i32.store8 (i32.const 1120) (i32.const 1))
(i32.store (i32.const 1124) (i32.const 4352))
(i32.store (i32.const 1128) (i32.const 39))
