;; attacks = [53]
;; does = "speaks of streams, which wait and are read later"
;; refused = "async"
;; -- whole
(component (type (stream u8)))
