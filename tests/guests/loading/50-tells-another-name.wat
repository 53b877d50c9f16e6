;; attacks = [50]
;; does = "says another name when it runs than its file says"
;; refused = "not what"
;; tells = { name = "another" }
;; -- on-batch
