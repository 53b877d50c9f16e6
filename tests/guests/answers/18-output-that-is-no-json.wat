;; attacks = [18]
;; does = "replaces a record by something that is no JSON"
;; role = "transform"
;; dies = "output-not-a-resource"
;; -- items
(data (i32.const 4352) "{\22resourceType\22:\22Observation\22,\22id\22:\22x\22}")
(data (i32.const 4096) "{\22resourceType\22:\22Observation\22,")
;; -- on-batch
(i32.store (i32.const 1028) (i32.const 1100))
(i32.store (i32.const 1032) (local.get $len))
(i32.store (i32.const 1100) (i32.const 0))
(i32.store8 (i32.const 1104) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 30))
(i32.store (i32.const 1116) (i32.const 1))
(i32.store8 (i32.const 1120) (i32.const 1))
(i32.store (i32.const 1124) (i32.const 4096))
(i32.store (i32.const 1128) (i32.const 30))
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
